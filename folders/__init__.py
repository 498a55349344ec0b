"""Labels that lie in files: YOLO, COCO and VOC, read with every fault named, and written back so
that nothing changes but what was corrected.

It knows neither FiftyOne nor torch.
"""
