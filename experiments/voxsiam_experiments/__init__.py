"""What is run, as data: recipes, presets, tables; no algorithms."""
