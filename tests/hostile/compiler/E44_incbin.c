// tries = "have the assembler copy a file of the host into the program"
// verdict = "compile_error"
// compile_stderr = "file not found: /etc/shadow"
__asm__(".data\nstolen: .incbin \"/etc/shadow\"\n.text");

int main(void) { return 0; }
