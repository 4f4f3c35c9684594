"""Whether an access through a walked page is allowed, and the fault it would raise (SDM 3A 4.6, 4.7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from vmdbg.x86.page_walk import FaultReason, Walk
from vmdbg.x86.paging import Paging

ERROR_PRESENT = 1 << 0
ERROR_WRITE = 1 << 1
ERROR_USER = 1 << 2
ERROR_RESERVED = 1 << 3
ERROR_FETCH = 1 << 4
ERROR_KEY = 1 << 5

ACCESS_DISABLE, WRITE_DISABLE = 1, 2
"""Of the two bits that PKRU has for each key."""

GENERAL_PROTECTION = 13
PAGE_FAULT = 14


class Access(Enum):
    """What an instruction does to memory."""

    READ = "read"
    WRITE = "write"
    FETCH = "fetch"


@dataclass(frozen=True, slots=True)
class AccessFault:
    """The exception an access would raise. `reason` is for people; error_code is as pushed."""

    vector: int
    error_code: int
    reason: str


def check_access(
    walk: Walk,
    paging: Paging,
    access: Access,
    cpl: int,
    *,
    alignment_check: bool = False,
    implicit: bool = False,
) -> AccessFault | None:
    """None if the access is allowed.

    `alignment_check` is EFLAGS.AC, which lifts SMAP for explicit accesses. `implicit` marks accesses to
    system tables (GDT, LDT, IDT, TSS), which are supervisor accesses at any CPL. A non-canonical address
    is #GP(0); through SS the CPU raises #SS(0) instead, which the walk cannot know. A table outside memory
    reads as ones, hence with reserved bits set.
    """
    supervisor = implicit or cpl != 3
    if walk.fault is not None:
        if walk.fault.reason is FaultReason.NON_CANONICAL:
            return AccessFault(GENERAL_PROTECTION, 0, str(walk.fault))
        absent = walk.fault.reason is FaultReason.NOT_PRESENT
        flags = 0 if absent else ERROR_PRESENT | ERROR_RESERVED
        return AccessFault(PAGE_FAULT, flags | _origin(paging, access, supervisor), str(walk.fault))
    if not walk.entries:
        return None
    reason = (
        _supervisor_refusal(walk, paging, access, lifted=alignment_check and not implicit)
        if supervisor
        else _user_refusal(walk, access)
    )
    by_key = _key_refusal(walk, paging, access, supervisor)
    reason = reason or by_key
    if reason is None:
        return None
    code = ERROR_PRESENT | _origin(paging, access, supervisor) | (ERROR_KEY if by_key is not None else 0)
    return AccessFault(PAGE_FAULT, code, reason)


def _origin(paging: Paging, access: Access, supervisor: bool) -> int:
    code = 0 if supervisor else ERROR_USER
    if access is Access.WRITE:
        code |= ERROR_WRITE
    if access is Access.FETCH and (paging.smep or paging.no_execute_enabled):
        code |= ERROR_FETCH
    return code


def _key_refusal(walk: Walk, paging: Paging, access: Access, supervisor: bool) -> str | None:
    """What PKRU refuses (SDM 3A 4.6.2), whether or not something else does, too."""
    if not paging.protection_keys or access is Access.FETCH or not walk.permissions.user:
        return None
    key = walk.permissions.protection_key
    denied = paging.pkru >> 2 * key
    if denied & ACCESS_DISABLE:
        return f"PKRU denies access to pages of protection key {key}"
    if access is Access.WRITE and denied & WRITE_DISABLE and (not supervisor or paging.write_protect):
        return f"PKRU denies writes to pages of protection key {key}"
    return None


def _user_refusal(walk: Walk, access: Access) -> str | None:
    permissions = walk.permissions
    if not permissions.user:
        return f"user {access.value} of a supervisor page"
    if access is Access.WRITE and not permissions.writable:
        return "user write to a read-only page"
    if access is Access.FETCH and not permissions.executable:
        return "fetch from a no-execute page"
    return None


def _supervisor_refusal(walk: Walk, paging: Paging, access: Access, lifted: bool) -> str | None:
    permissions = walk.permissions
    if access is Access.FETCH:
        if permissions.user and paging.smep:
            return "SMEP: supervisor fetch from a user page"
        return None if permissions.executable else "fetch from a no-execute page"
    if permissions.user and paging.smap and not lifted:
        return f"SMAP: supervisor {access.value} of a user page"
    if access is Access.WRITE and not permissions.writable and paging.write_protect:
        return "supervisor write to a read-only page with CR0.WP set"
    return None
