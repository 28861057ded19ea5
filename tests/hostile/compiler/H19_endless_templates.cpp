// tries = "a template that instantiates itself for ever"
// verdict = "compile_error"
// compile_stderr = "instantiation depth exceeds"
template <typename T>
struct Again {
  typename Again<Again<T>>::type member;
};

int main() { return sizeof(Again<int>); }
