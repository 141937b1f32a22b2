"""What runs on the other side: launcher, zygote and guest, and the layers that confine a guest.

A caller's process imports `cleaning` alone. One module for each layer: `namespaces`, `mounts`, `privileges`
(limits and capabilities), `landlock`, `seccomp`; `probe` tries from within what they promise.
"""
