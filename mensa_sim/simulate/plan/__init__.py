"""Plans: what one inference does, what stays on chip, and what each stage asks for."""
