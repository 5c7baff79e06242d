"""Things that every part of onepic needs, and that know of none of them.

- `errors`: what can go wrong, by what its user does about it; `secrets`: tokens stay out of it.
- `command`, `report`: how a command ends, and what it tells while it works.
- `yaml_file`, `yaml_traps`, `strict`, `named`: checked data from YAML; errors name the line.
- `options`: a command's options from the fields of a model; `tree`: where two such data differ.
- `files`, `lock`, `disk`: files that appear whole or not at all, one run at a time in a folder,
  and what is said when a disk fails or is full.
- `network`, `patience`, `hub`: what lies elsewhere, asked again while it does not answer.
- `memory`: freed memory that is kept.
"""
