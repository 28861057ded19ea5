int main(void) {
    int count = "many";
    return undeclared + count;
}
