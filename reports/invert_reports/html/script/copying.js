// Copying a command.

async function copy(button) {
  const text = button.parentElement.querySelector("code").textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { class: "unseen" });
    area.value = text;
    button.parentElement.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? "Copied" : "Select and copy";
  announce(done ? "Command copied" : "Copying is not allowed here");
  setTimeout(() => (button.textContent = "Copy"), 2000);
}
