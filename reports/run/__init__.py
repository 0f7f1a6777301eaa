"""The report of a run: its page and chapters, each module turns a part of the inputs into HTML."""
