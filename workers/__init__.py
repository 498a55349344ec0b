"""Workers: processes that run what the App schedules, on this machine or on a cluster.

``targets`` is the list of workers that the App offers, ``operations`` the queue that they share and
``claims`` what one worker does with it, ``serving`` the loop of a worker, ``process`` and ``child``
the two ends of the process that executes one run, ``stalls`` when that process hangs, and
``cluster`` the embedding stage on Ray. The engine below knows nothing of them.
"""
