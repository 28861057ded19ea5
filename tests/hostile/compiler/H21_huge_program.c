// tries = "a program of 8 GiB, and one whose debug information is larger"
// verdict = "compile_error"
char block[8UL << 30] = {1};

int main(void) { return block[1]; }
