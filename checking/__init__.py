"""A dataset in files, or in FiftyOne, from the shell: imported into a database of its own, judged,
listed, opened in the App, and written back.
"""
