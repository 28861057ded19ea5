// tries = "a program without main"
// verdict = "compile_error"
package main
