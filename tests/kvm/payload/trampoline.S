/* SPDX-License-Identifier: Apache-2.0 */
/* First instructions of vCPU 1, from real mode straight to 64-bit mode. Copied to PL_TRAMPOLINE. */
#define PL_TRAMPOLINE 0x70000
        .section .rodata
        .globl  pl_trampoline, pl_trampoline_cr3, pl_trampoline_end
        .balign 8
        .code16
pl_trampoline:
        cli
        movw    $(PL_TRAMPOLINE >> 4), %ax
        movw    %ax, %ds
        lgdtl   (gdt_pointer - pl_trampoline)
        movl    $0x20, %eax             /* PAE */
        movl    %eax, %cr4
        movl    (pl_trampoline_cr3 - pl_trampoline), %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* EFER */
        xorl    %edx, %edx
        movl    $0x100, %eax            /* LME */
        wrmsr
        movl    $0x80000011, %eax       /* PG, ET, PE */
        movl    %eax, %cr0
        ljmpl   $8, $(PL_TRAMPOLINE + long_mode - pl_trampoline)
        .code64
long_mode:
        movl    $16, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movq    $ap_stack_top, %rsp
        xorl    %ebp, %ebp
        movq    $pl_ap_main, %rax
        jmp     *%rax
        .balign 8
gdt:
        .quad   0
        .quad   0x00af9b000000ffff      /* 64-bit code */
        .quad   0x00cf93000000ffff      /* data */
gdt_pointer:
        .word   gdt_pointer - gdt - 1
        .long   PL_TRAMPOLINE + gdt - pl_trampoline
pl_trampoline_cr3:
        .long   0
pl_trampoline_end:

        .section .bss
        .balign 16
        .skip   8192
ap_stack_top:
        .section .note.GNU-stack, "", @progbits
