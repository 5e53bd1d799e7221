"""Cost: what each layer costs on each accelerator."""
