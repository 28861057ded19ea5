// tries = "a million nested parentheses"
// verdict = ["compile_error", "ok"]
// expand = [{ token = "@OPEN@", text = "(", count = 400000 }, { token = "@CLOSE@", text = ")", count = 400000 }]
package main

var x = @OPEN@1@CLOSE@

func main() { println(x) }
