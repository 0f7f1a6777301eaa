"""The chapters of the report: each module turns a part of the inputs into HTML."""
