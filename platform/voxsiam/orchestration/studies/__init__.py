"""A study: its ledger, and its runs under Tune."""
