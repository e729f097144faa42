"""One volume, one model, one training, one cluster; knows no data set and no table."""
