/* The least that a program can do: what the others are compared with. */
int main(void)
{
    return 0;
}
