"""What label values mean: protocols, organs' names, tables of labels."""
