/* SPDX-License-Identifier: Apache-2.0 */
/* First instructions of a payload guest. */
        .section .text.start, "ax"
        .globl  _start
_start:
        cli
        leaq    stack_top(%rip), %rsp
        xorl    %ebp, %ebp
        call    payload_main
        call    pl_power_off

        .section .bss
        .balign 16
        .skip   16384
stack_top:
        .section .note.GNU-stack, "", @progbits
