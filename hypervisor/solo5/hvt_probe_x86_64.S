/* The guest of the KVM probe: adds vectors, compares, and halts with the hypercall every guest ends with. */

    /* Guest addresses: the halt structure { u64 cookie; i32 status }, and 16 bytes to store a vector. */
    .set    HALT, 0x180000
    .set    VECTOR, 0x180020
    .set    PORT_HALT, 0x508

    .section .rodata
    .globl  hvt_probe_code
    .globl  hvt_probe_code_size
    .balign 16
hvt_probe_code:
    movl    $21, %eax
    movd    %eax, %xmm0
    pshufd  $0, %xmm0, %xmm0
    xorps   %xmm1, %xmm1
    paddd   %xmm0, %xmm1
    paddd   %xmm0, %xmm1
    movaps  %xmm1, VECTOR
    xorl    %ecx, %ecx
    /* ecx = 0 only when each of the four sums is 42. */
    .irp    lane, 0, 4, 8, 12
    movl    VECTOR + \lane, %eax
    xorl    $42, %eax
    orl     %eax, %ecx
    .endr
    xorl    %eax, %eax
    testl   %ecx, %ecx
    setnz   %al
    movl    %eax, HALT + 8
    movl    $HALT, %eax
    movw    $PORT_HALT, %dx
    outl    %eax, %dx
    ud2
probe_end:
    .balign 8
hvt_probe_code_size:
    .quad   probe_end - hvt_probe_code

    .section .note.GNU-stack, "", @progbits
