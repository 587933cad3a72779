// Markdown leaves each formula in an element of class "arithmatex", between \( \) or \[ \].
document.addEventListener("DOMContentLoaded", () => {
  const links = ["\\href", "\\htmlId", "\\htmlClass", "\\htmlData"];
  for (const element of document.querySelectorAll(".arithmatex")) {
    renderMathInElement(element, {
      delimiters: [
        { left: "\\[", right: "\\]", display: true },
        { left: "\\(", right: "\\)", display: false },
      ],
      throwOnError: false,
      trust: (context) => links.includes(context.command),
    });
  }
});
