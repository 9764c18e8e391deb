function initialize({ model }) {
  // what was typed before is on its way before this answer
  const answer = (content) => {
    if (content?.ask) {
      model.send({ answer: content.ask });
    }
  };
  model.on("msg:custom", answer);
  return () => model.off("msg:custom", answer);
}

function render({ model, el }) {
  const voice = makeVoice();
  const button = makeButton("Copy", "Copy this line of Python", (self) =>
    copyAndSay(model.get("text"), self, voice));
  const follow = () => {
    button.style.visibility = model.get("text") ? "visible" : "hidden";
  };
  model.on("change:text", follow);
  follow();
  el.append(button, voice);
  return () => model.off("change:text", follow);
}

export default { initialize, render };
