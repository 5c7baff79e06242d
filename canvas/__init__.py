"""What a task is: its panels, their layout and masks, and how rows become them."""
