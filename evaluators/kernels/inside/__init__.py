"""What runs inside the sandbox: imported by its zygote before anything is shut off, never by the judge.

May import torch, triton and the standard library. Its word is the guest's, and so a claim.
"""
