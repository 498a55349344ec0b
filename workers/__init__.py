"""Workers: processes that run what the App schedules, on this machine or on a cluster.

``targets`` is the list of workers that the App offers, ``operations`` the queue that they share,
``serving`` the loop of one worker, ``child`` the process that executes one run, and ``cluster`` the
embedding stage on Ray. The engine below knows nothing of them.
"""
