// tries = "include a device that never ends"
// verdict = "compile_error"
#include "/dev/zero"

int main(void) { return 0; }
