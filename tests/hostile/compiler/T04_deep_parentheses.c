// tries = "nested parentheses for GCC's parser, which recurses"
// verdict = ["compile_error", "ok"]
// expand = [{ token = "@OPEN@", text = "(", count = 400000 }, { token = "@CLOSE@", text = ")", count = 400000 }]
int x = @OPEN@1@CLOSE@;

int main(void) { return 0; }
