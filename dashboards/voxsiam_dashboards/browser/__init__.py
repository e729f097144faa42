"""The page that `voxsiam dashboard` opens: a store looked at in a browser, read-only."""
