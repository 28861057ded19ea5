// tries = "include itself twice at each level"
// verdict = "compile_error"
#include __FILE__
#include __FILE__

int main(void) { return 0; }
