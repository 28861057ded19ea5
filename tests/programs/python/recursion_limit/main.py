def depth(node):
    return 1 + max((depth(child) for child in node), default=0)


loop = []
loop.append(loop)
print("depth of a list that contains itself")
print(depth(loop))
