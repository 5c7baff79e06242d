"""The task: its panels, their layout and masks, and how rows become them."""
