// tries = "have the compiler quote its own environment and memory map"
// verdict = ["ok", "compile_error"]
#include "/proc/self/environ"
#include "/proc/self/maps"

int main(void) { return 0; }
