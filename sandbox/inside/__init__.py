"""What runs on the other side: launcher, zygote and guest, and the layers that confine a guest.

A caller's process imports `cleaning` and `cgroups` alone. One module for each layer: `namespaces`, `mounts`,
`identity` (whose user a guest is), `privileges` (limits and capabilities), `landlock`, `seccomp`, `cgroups` (with
`bounds`, what it is to hold); `prepare` puts them together and `probe` tries from within what they promise.
"""
