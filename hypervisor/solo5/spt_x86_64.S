/* Entering an spt guest on x86-64: boot info in rdi, stack pointer below the end of memory, nothing of ours in a register. */

    .text
    .globl  spt_enter
    .type   spt_enter, @function

/* _Noreturn void spt_enter(uint64_t entry (rdi), uint64_t stack (rsi), uint64_t boot_info (rdx)) */
spt_enter:
    endbr64
    movq    %rdi, %rax
    movq    %rsi, %rsp
    movq    %rdx, %rdi
    xorl    %ebx, %ebx
    xorl    %ecx, %ecx
    xorl    %edx, %edx
    xorl    %esi, %esi
    xorl    %ebp, %ebp
    xorl    %r8d, %r8d
    xorl    %r9d, %r9d
    xorl    %r10d, %r10d
    xorl    %r11d, %r11d
    xorl    %r12d, %r12d
    xorl    %r13d, %r13d
    xorl    %r14d, %r14d
    xorl    %r15d, %r15d
    cld
    /* A jump: there is nothing to return to. The address left in rax is the guest's own. */
    jmp     *%rax
    .size   spt_enter, . - spt_enter

    .section .note.GNU-stack, "", @progbits
