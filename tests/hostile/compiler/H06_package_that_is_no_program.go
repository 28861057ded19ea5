// tries = "let the compiler leave an archive in place of a program"
// verdict = ["compile_error", "nonzero_exit"]
package library

func F() {}
