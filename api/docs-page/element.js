/** An element with attributes (`text` is its text) and children. Nothing is ever read as markup. */
export function element(page, name, attributes = {}, children = []) {
  const node = page.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute === 'text') node.append(page.createTextNode(value));
    else if (value !== undefined && value !== false) node.setAttribute(attribute, value);
  }
  node.append(...children);
  return node;
}
