#include <iostream>

int main() {
    std::cout << missing << std::endl;
}
