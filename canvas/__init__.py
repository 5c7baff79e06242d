"""The task: its panels, their layout and masks, and how rows become them.

In the order in which data meet the modules:

- `recipe`, `panel_options`, `prompt`: what is asked of a canvas; `description`: the same in words.
- `sizes`, `layout`: how large panels are, and where they lie.
- `row`: what is read of a row of raw data.
- `pictures`: image files become pictures, unless they are damaged.
- `masks`: files of masks, and masks that are drawn.
- `filling`: the task with what is to be filled left open.
- `fitting`, `operations`, `narrowed`, `panels`: a row becomes panels, cut to size.
- `sharing`: what samples have in common with others.
- `pairs`, `alignment`, `looks`, `findings`: what is seen that may be wrong, and how it is counted.
"""
