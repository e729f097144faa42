"""What can be fetched, from where, and unpacked."""
