"""What units in the memory are worth, and published gains of them."""
