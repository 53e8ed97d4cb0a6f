"""Jobs: the record of a job, its status and messages, the runner of its work, and report.json."""
