"""What layers read and write over shared on-chip memories and links instead of their accelerator's memory."""
