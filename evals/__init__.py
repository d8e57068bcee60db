"""What it was worth: suites, paired trials, statistics and reports."""
