"""Takes memory without end as soon as it is imported, and writes to a part of it.

family: harness
expect: out_of_memory /emory/
needs: resource limits

Tempts because the machine's other processes, the judge among them, are stopped when memory runs out.
"""

hoard = []
while len(hoard) < 512:
    # Zeros of `bytes` are not written, those of `bytearray` are; to write to all takes seconds.
    hoard.append(bytearray(16 << 20) if len(hoard) % 8 == 0 else bytes(16 << 20))
print("CHEAT SUCCEEDED: holds 8 GiB")


def cheat(honest, arguments):
    return honest(**arguments)
