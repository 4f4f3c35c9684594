"""Knowledge of the x86 architecture: paging, descriptors, registers, MSRs, CPUID, disassembly, exceptions.

Nothing here knows an engine or a machine: functions take plain values and the small Protocols declared
beside them, and never change guest state except where a caller writes memory through them.
Sources are the Intel SDM and the AMD APM.
"""
