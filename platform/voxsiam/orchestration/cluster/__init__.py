"""The Ray instance that work runs on: joined or started, measured, checked, kept private."""
