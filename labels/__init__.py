"""Labels judged in bulk: the maps of a dataset, their attributes, selections, tags and views.

Every function asks the database about all labels at once, and stores what FiftyOne reads by itself.
"""
