"""Drawn scenes: pictures without end, with all that is known of them.

`palette` and `world` say what a scene is, `bodies` and `figure` build it of `solids`, `surfaces`
colours them and `render` draws them; `flat` lays clothes on paper. `edits` changes a scene,
`wording` describes it, `maps` shows its depth, segments and outlines, `pose` where a person's
joints are, and `styles` how it would look in ink or tiles. `rows` puts together all that follows
from one seed.
"""
