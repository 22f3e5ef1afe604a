/* The PVH entry in 32-bit protected mode, the way into long mode, and the way out to the guest. */

#define LDR_GDT       0x500
#define LDR_ZERO_PAGE 0x7000
#define LDR_STACK     0x8ff0
#define LDR_TABLES    0x9000

/* XEN_ELFNOTE_PHYS32_ENTRY */
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad _start

    .section .text.start, "ax"
    .code32
    .globl _start
/* EBX: hvm_start_info. Paging is off, segments are flat. */
_start:
    cli
    cld
    movl $ldr_tables, %edi
    leal 0x1003(%edi), %eax
    movl %eax, (%edi)
    leal 0x2003(%edi), %eax
    leal 0x1000(%edi), %edx
    movl $4, %ecx
1:  movl %eax, (%edx)
    addl $0x1000, %eax
    addl $8, %edx
    decl %ecx
    jnz 1b
    leal 0x2000(%edi), %edx
    movl $0x83, %eax /* present, writable, 2 MiB */
    movl $2048, %ecx
2:  movl %eax, (%edx)
    addl $0x200000, %eax
    addl $8, %edx
    decl %ecx
    jnz 2b

    movl %edi, %cr3
    movl %cr4, %eax
    orl $0x20, %eax /* PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx /* EFER: LME */
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000001, %eax /* PG, PE */
    movl %eax, %cr0
    lgdt first_gdt_pointer
    ljmp $0x8, $start64

    .code64
start64:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    leaq ldr_stack_end(%rip), %rsp
    movl %ebx, %edi
    xorl %ebp, %ebp
    call ldr_main
    ud2

    .text
    .globl ldr_go_on
ldr_go_on:
    movq %rdi, %rsp
    xorl %ebp, %ebp
    call *%rsi
    ud2

    .globl ldr_enter
ldr_enter:
    movq %rdi, %rbx
    /* The descriptors, and behind them what LGDT reads. */
    movl $LDR_GDT, %edi
    leaq gdt(%rip), %rsi
    movl $gdt_end - gdt, %ecx
    rep movsb
    movw $gdt_end - gdt - 1, (%rdi)
    movq $LDR_GDT, 2(%rdi)
    lgdt (%rdi)
    movl $LDR_TABLES, %eax
    movq %rax, %cr3
    movl $LDR_STACK, %esp
    pushq $0x8
    leaq 1f(%rip), %rax
    pushq %rax
    lretq
1:  movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %fs
    movl %eax, %gs
    movl %eax, %ss
    fninit
    movl $0x80000011, %eax /* PG, ET, PE */
    movq %rax, %cr0
    movl $0x20, %eax /* PAE */
    movq %rax, %cr4
    movl $LDR_STACK, %esp
    movl %esp, %ebp
    movl $LDR_ZERO_PAGE, %esi
    movq %rbx, %rax
    pushq $2
    popfq
    xorl %ebx, %ebx
    xorl %ecx, %ecx
    xorl %edx, %edx
    xorl %edi, %edi
    jmp *%rax

    .section .rodata
    .balign 8
/* null, 64-bit code, data, a busy TSS that nobody loads: as Firecracker has them. */
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x008f8b000000ffff
gdt_end:
/* Used where QEMU loaded us. */
first_gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt

    .bss
    .balign 4096
    .globl ldr_tables
ldr_tables:
    .skip 6 * 4096
    .skip 16 * 1024
    .globl ldr_stack_end
ldr_stack_end:

    .section .note.GNU-stack, "", @progbits
