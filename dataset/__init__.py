"""Compiled datasets: their files, and whoever writes, sends, checks or reads them.

In the order in which data meet the modules:

- `names`: the files of a dataset; `info`, `info_parts`: dataset.json, which describes the whole.
- `members`: what a sample's files are called, and what is in them.
- `tar`, `index`, `writer`: a shard, whole or not at all, and the index that completes it.
- `null_prompt`: the empty prompt, once for all shards.
- `sent`: what of a dataset is in a store already.
- `finite`, `seal`, `verify`: what its bytes must be, and whether they are.
- `stores`: its files, in a folder or at a URL.
- `dataset`: samples by number; `samples`, `reader`: many of them, straight into a batch.
- `decoder`: latents become pixels again.
- `catalogue`, `stored`: samples of a dataset in whatever state, for whoever looks at it.
- `repeats`, `remarks`: what of it may be wrong, and how that is told.
"""
