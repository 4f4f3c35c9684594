"""Builds the native part: Unicorn's static library with the functions below replaced by ours at link time.

The wheel of the pinned Unicorn holds that library and its public headers; nothing else of Unicorn is used, and nothing
of it is needed once this is built. UNICORN_FOR, in the environment, is a folder with an unpacked wheel for another
architecture than this Python's, which CC compiles for.
"""

import os
import sys
from importlib.metadata import distributions
from pathlib import Path

from cffi import FFI

HERE = Path("vmdbg/engine/native")
UNICORN_VERSION = "2.1.4"

WRAPPED = [
    "breakpoint_handler_x86_64",
    "cpu_abort_x86_64",
    "cpu_check_watchpoint_x86_64",
    "cpu_ldl_data_ra_x86_64",
    "cpu_ldl_mmuidx_ra_x86_64",
    "cpu_ldq_data_ra_x86_64",
    "cpu_ldq_mmuidx_ra_x86_64",
    "cpu_ldsw_data_ra_x86_64",
    "cpu_ldub_code_x86_64",
    "cpu_ldub_data_ra_x86_64",
    "cpu_ldub_mmuidx_ra_x86_64",
    "cpu_lduw_data_ra_x86_64",
    "cpu_lduw_mmuidx_ra_x86_64",
    "cpu_loop_exit_noexc_x86_64",
    "cpu_stb_data_ra_x86_64",
    "cpu_stb_mmuidx_ra_x86_64",
    "cpu_stl_data_ra_x86_64",
    "cpu_stl_mmuidx_ra_x86_64",
    "cpu_stq_data_ra_x86_64",
    "cpu_stq_mmuidx_ra_x86_64",
    "cpu_stw_data_ra_x86_64",
    "cpu_stw_mmuidx_ra_x86_64",
    "cpu_watchpoint_address_matches_x86_64",
    "cpu_watchpoint_insert_x86_64",
    "cpu_watchpoint_remove_by_ref_x86_64",
    "get_page_addr_code_x86_64",
    "helper_be_ldq_mmu_x86_64",
    "helper_be_ldul_mmu_x86_64",
    "helper_be_lduw_mmu_x86_64",
    "helper_be_stl_mmu_x86_64",
    "helper_be_stq_mmu_x86_64",
    "helper_be_stw_mmu_x86_64",
    "helper_check_exit_request_x86_64",
    "helper_clgi_x86_64",
    "helper_cmpxchg16b_unlocked_x86_64",
    "helper_cmpxchg16b_x86_64",
    "helper_cmpxchg8b_unlocked_x86_64",
    "helper_cmpxchg8b_x86_64",
    "helper_cpuid_x86_64",
    "helper_dppd_xmm_x86_64",
    "helper_dpps_xmm_x86_64",
    "helper_enter_mmx_x86_64",
    "helper_fbld_ST0_x86_64",
    "helper_fbst_ST0_x86_64",
    "helper_fxrstor_x86_64",
    "helper_fxsave_x86_64",
    "helper_get_dr_x86_64",
    "helper_hlt_x86_64",
    "helper_inb_x86_64",
    "helper_inl_x86_64",
    "helper_into_x86_64",
    "helper_inw_x86_64",
    "helper_iret_protected_x86_64",
    "helper_iret_real_x86_64",
    "helper_lcall_protected_x86_64",
    "helper_lcall_real_x86_64",
    "helper_ldmxcsr_x86_64",
    "helper_le_ldq_mmu_x86_64",
    "helper_le_ldul_mmu_x86_64",
    "helper_le_lduw_mmu_x86_64",
    "helper_le_stl_mmu_x86_64",
    "helper_le_stq_mmu_x86_64",
    "helper_le_stw_mmu_x86_64",
    "helper_ljmp_protected_x86_64",
    "helper_lookup_tb_ptr_x86_64",
    "helper_lldt_x86_64",
    "helper_load_seg_x86_64",
    "helper_lret_protected_x86_64",
    "helper_ltr_x86_64",
    "helper_maxpd_x86_64",
    "helper_maxps_x86_64",
    "helper_maxsd_x86_64",
    "helper_maxss_x86_64",
    "helper_minpd_x86_64",
    "helper_minps_x86_64",
    "helper_minsd_x86_64",
    "helper_minss_x86_64",
    "helper_monitor_x86_64",
    "helper_outb_x86_64",
    "helper_outl_x86_64",
    "helper_outw_x86_64",
    "helper_pause_x86_64",
    "helper_pcmpestri_xmm_x86_64",
    "helper_pcmpestrm_xmm_x86_64",
    "helper_pcmpistri_xmm_x86_64",
    "helper_pcmpistrm_xmm_x86_64",
    "helper_phaddd_mmx_x86_64",
    "helper_phaddd_xmm_x86_64",
    "helper_phaddsw_mmx_x86_64",
    "helper_phaddsw_xmm_x86_64",
    "helper_phaddw_mmx_x86_64",
    "helper_phaddw_xmm_x86_64",
    "helper_phsubd_mmx_x86_64",
    "helper_phsubd_xmm_x86_64",
    "helper_phsubsw_mmx_x86_64",
    "helper_phsubsw_xmm_x86_64",
    "helper_phsubw_mmx_x86_64",
    "helper_phsubw_xmm_x86_64",
    "helper_raise_interrupt_x86_64",
    "helper_rclb_x86_64",
    "helper_rcll_x86_64",
    "helper_rclq_x86_64",
    "helper_rclw_x86_64",
    "helper_rcpps_x86_64",
    "helper_rcpss_x86_64",
    "helper_rcrb_x86_64",
    "helper_rcrl_x86_64",
    "helper_rcrq_x86_64",
    "helper_rcrw_x86_64",
    "helper_rdmsr_x86_64",
    "helper_rdpkru_x86_64",
    "helper_rdrand_x86_64",
    "helper_rdtsc_x86_64",
    "helper_rdtscp_x86_64",
    "helper_read_crN_x86_64",
    "helper_ret_ldub_mmu_x86_64",
    "helper_ret_stb_mmu_x86_64",
    "helper_roundpd_xmm_x86_64",
    "helper_roundps_xmm_x86_64",
    "helper_roundsd_xmm_x86_64",
    "helper_roundss_xmm_x86_64",
    "helper_rsqrtps_x86_64",
    "helper_rsqrtss_x86_64",
    "helper_set_dr_x86_64",
    "helper_stgi_x86_64",
    "helper_sti_x86_64",
    "helper_syscall_x86_64",
    "helper_sysenter_x86_64",
    "helper_sysexit_x86_64",
    "helper_sysret_x86_64",
    "helper_write_crN_x86_64",
    "helper_write_eflags_x86_64",
    "helper_wrmsr_x86_64",
    "helper_wrpkru_x86_64",
    "helper_xgetbv_x86_64",
    "helper_xrstor_x86_64",
    "helper_xsave_x86_64",
    "helper_xsaveopt_x86_64",
    "helper_xsetbv_x86_64",
    "qemu_system_reset_request",
    "qht_lookup_custom",
    "qht_remove",
    "raise_exception_err_x86_64",
    "restore_state_to_opc_x86_64",
    "tcg_gen_callN_x86_64",
    "tcg_gen_exit_tb_x86_64",
    "tcg_gen_qemu_ld_i64_x86_64",
    "tcg_gen_qemu_st_i64_x86_64",
    "tcg_global_mem_new_internal_x86_64",
    "tcg_region_init_x86_64",
    "tcg_region_reset_all_x86_64",
    "tcg_x86_init_x86_64",
    "tlb_flush_page_x86_64",
    "tlb_flush_x86_64",
    "tlb_reset_dirty_by_vaddr_x86_64",
    "translator_loop_x86_64",
    "x86_cpu_exec_interrupt_x86_64",
    "x86_cpu_tlb_fill_x86_64",
]

# The C library's, of which a newer version would be asked for than is needed: see old_glibc.c.
WRAPPED_C = ["log", "pow", "pthread_create", "pthread_join", "pthread_sigmask"]


if sys.platform != "linux":
    raise SystemExit("vmdbg builds on Linux alone: its native part needs GNU ld's --wrap (docs/install.md)")


def _unicorn() -> Path:
    """The package's folder."""
    place = os.environ.get("UNICORN_FOR")
    for found in distributions(name="unicorn", path=[place] if place else sys.path):
        if found.version == UNICORN_VERSION:
            return Path(str(found.locate_file("unicorn")))
    raise SystemExit(f"vmdbg needs unicorn {UNICORN_VERSION} exactly: pip install unicorn=={UNICORN_VERSION}")


UNICORN = _unicorn()

ffibuilder = FFI()
for header in ("values.h", "chips.h", "machine.h", "interface.h"):
    ffibuilder.cdef((HERE / header).read_text())
ffibuilder.cdef(f'extern "Python+C" {{ {(HERE / "callbacks.h").read_text()} }}')
ffibuilder.set_source(
    "vmdbg.engine.native._native",
    '#include "vm.h"',
    sources=sorted(map(str, HERE.glob("*.c"))),
    depends=sorted(map(str, HERE.glob("*.h"))),
    include_dirs=[str(HERE), str(UNICORN / "include")],
    extra_objects=[str(UNICORN / "lib" / "libunicorn.a")],
    libraries=["pthread", "m"],
    extra_compile_args=["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wno-unused-function"],
    extra_link_args=[
        "-Wl,--exclude-libs,ALL",
        "-Wl,-Bsymbolic",
        "-Wl,--strip-debug",
        *(f"-Wl,--wrap={name}" for name in WRAPPED + WRAPPED_C),
    ],
)
